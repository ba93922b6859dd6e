"""What runs on Kubernetes: kopf's watches feed the cache and the work queue. The only place that knows kopf."""
