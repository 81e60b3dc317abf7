"""Entry point of `python -m alm_bench`, and of `accelerate launch -m alm_bench train ...` for several processes."""

from alm_bench.cli import main

if __name__ == "__main__":
    main()
