"""A TCP proxy before Kafka's brokers that can hold, cut or swallow an answer: it makes "outcome unknown" real.

It reads as much of Kafka's protocol as tells the requests apart (API key and correlation id) and rewrites nothing.
Clients come and stay because the brokers tell them the proxy's address: ``Stack`` and ``Kfake`` have the option
``proxied``, and :class:`Route` says which port leads where.

    async with Stack(folder, kafka=KafkaOptions(proxied=True)) as stack, Proxy(stack.routes) as proxy:
        through = proxy.connection(stack.plain_operator)
        swallowed = proxy.swallow(Api.END_TXN)

Only listeners without TLS can be read.
"""

from streamwarden_devstack.proxy.faults import Action, Api, Fault
from streamwarden_devstack.proxy.routes import Route
from streamwarden_devstack.proxy.running import Proxy

__all__ = ["Action", "Api", "Fault", "Proxy", "Route"]
