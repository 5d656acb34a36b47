// Where Node.js needs another program to run it, that one is what a test has to start: a script that calls both.

process.execPath = process.env.PSTREAM_LAUNCHER
