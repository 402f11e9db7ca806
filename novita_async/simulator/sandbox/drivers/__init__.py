"""Programs that run inside a sandbox, started by `kernels`: each runs cells of one language.

A driver reads requests, lines of JSON, from its standard input: `{"id", "code", "language", "envs"}` for a cell, and
`{"interrupt": id}` to break one off. It writes `{"ready": true}` when it can take the first, and then
`{"id", "event"}` for each event of the code interpreter's API, `end_of_execution` being the last of a cell.
They are given to the interpreter as text, so each of them stands alone.
"""
