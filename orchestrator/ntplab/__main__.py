"""`python -m ntplab`: the command line, as the launcher script starts it."""

from .cli import main

if __name__ == "__main__":
    main()
