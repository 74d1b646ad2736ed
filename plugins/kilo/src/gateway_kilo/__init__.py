"""gateway-kilo: the Kilo gateway, a reseller of many vendors' models, some of them free."""
