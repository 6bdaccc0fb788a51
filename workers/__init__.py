"""The worker processes: what happens after the 200. They drain shops and run periodic jobs."""
