"""Built-in tasks, one folder per family of tasks. `alm_bench.plugins` finds them; no other module imports them by
name."""
