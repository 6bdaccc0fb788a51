"""Haravan's Customer API: requests, answers, and the pace at which we may ask."""
