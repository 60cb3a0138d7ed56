"""The benchmarks: each compares two things measured in turn in the same run, as a ratio.

Not a stage of a run: it uses labs from outside, as the command line does.

- figures.py: what a benchmark gives: a figure, or why there is none
- measuring.py: what every benchmark is given: an engine, somewhere to write, somebody to tell
- labs.py, samples.py: a lab for a benchmark, the clocks of one
- reading.py, database.py, discipline.py: the benchmarks of the virtual clock
- bring_up.py, convergence.py, throughput.py, demo.py, sweeping.py: those of the whole lab
- reporting.py: what a report costs, of made-up evidence: needs no lab
- live_page.py: what the live page costs, in a real browser; processes.py reads it from /proc,
  live_page_server.py is the server that it looks at
- clockpages.py, python_time.py: clock pages of reading.py, and a program that reads them
- generator.py: the load of throughput.py, run inside a container
- catalog.py: all of them by name, and running the chosen ones
- machine.py: what they were measured on
"""

from .catalog import BENCHMARKS, SETS, measure, named, unknown
from .figures import Figure, Outcome, Skipped, document
from .machine import describe_machine
from .measuring import Bench

__all__ = [
    "BENCHMARKS",
    "SETS",
    "Bench",
    "Figure",
    "Outcome",
    "Skipped",
    "describe_machine",
    "document",
    "measure",
    "named",
    "unknown",
]
