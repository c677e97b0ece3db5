"""The command line: it parses, calls the library, and prints.

`main.COMMANDS` is the table of all commands. A command's module is imported when it runs, not
before, so that `soundseek --help` and `soundseek search` start at once. What the modules share:
`options` and `places` (what is typed, and where things are), `terminal` (what is printed),
`exits` (how a command ends).
"""
