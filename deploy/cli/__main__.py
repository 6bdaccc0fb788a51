"""`python -m deploy.cli` is `tagger`."""

from deploy.cli import main

if __name__ == "__main__":
    main()
