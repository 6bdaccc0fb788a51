"""The records of a shop (customers, addresses, orders), and how the two Haravan APIs print them."""
