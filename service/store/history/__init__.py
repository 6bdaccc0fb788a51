"""What has happened in a shop: deliveries, changes of tags, what people did, and for how long it is kept."""
