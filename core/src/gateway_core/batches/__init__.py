"""Message batches: many requests to the Messages API that are answered without a client present.

`keeper` makes, tells and forgets batches, `worker` runs them, `patience` waits for providers that
want less, and `endpoints` are the routes.
"""

from gateway_core.batches.keeper import MessageBatches
from gateway_core.batches.worker import BatchWorker

__all__ = ["BatchWorker", "MessageBatches"]
