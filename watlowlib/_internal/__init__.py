"""Clock, threads, queues and argument checks that every other package uses."""
