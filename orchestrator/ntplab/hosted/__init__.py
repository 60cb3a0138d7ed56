"""What is run for a deployed host, by its own Python or by Ansible: the standard library only.

`preflight.py` before anything is changed there, `pack.py` on the machine that deploys, `doctor.py`
afterwards. Nothing here imports the rest of ntplab.
"""
