"""Parts of bench/run.py: private network, processes, comparison in rounds, sections, table."""
