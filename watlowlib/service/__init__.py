"""The recorder that runs for months: `watlowlib run`, and access to it while it runs.

How it is built:

- `recorder.RigService` records what a rig file says. One thread (the feeder) takes the batches of a
  `Recording` and offers each to the writers of all sinks, without waiting for a slow one.
- `fleet.Fleet` has the open controllers. A port that cannot be opened is waited for. A reload makes
  another fleet, which has the same `Controller` objects where nothing changed, prepares a plan for
  it, and lets the recording continue with it between two ticks (`Recording.replace_plan`).
- `writers.LastingWriter` opens a failed sink again, with a back-off.
- `endpoint` and `server` are a local socket; a request is one JSON object on a line, and so is the
  reply (`wire`). `client.attach` sends requests. A request is carried out in a thread of the server
  with the same `Controller` objects, hence under the same lock of the port as the recording.
- `notify` reports to systemd, `unit` writes its unit file.
"""
