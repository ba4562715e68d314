"""`python -m segeval` and the command `segeval`."""

from segeval.cli import main

if __name__ == "__main__":
    main()
