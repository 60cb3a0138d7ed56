"""Bring evidence out of the running lab and into the run directory, as it comes.

After the driver, before the evidence: containers speak, spool files fill.
"""
