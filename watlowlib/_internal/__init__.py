"""Clock, threads, queues and argument checks that the other packages use."""
