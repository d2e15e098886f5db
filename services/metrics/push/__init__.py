"""Published changes on their way to dashboards."""
