"""What every run needs: the run itself, its stages in order, progress, server, guard, digests of code."""
