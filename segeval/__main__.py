"""`python -m segeval` and the command `segeval`."""

import gc

gc.disable()  # imports create no garbage; looking for it takes a tenth of the time of --help

from segeval.cli import main  # noqa: E402

gc.freeze()
gc.enable()

if __name__ == "__main__":
    main()
