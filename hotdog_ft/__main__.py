"""`python -m hotdog_ft`."""

from hotdog_ft.cli import main

if __name__ == "__main__":
    main()
