"""Client of Haravan's Customer API: requests, responses, errors and pacing."""
