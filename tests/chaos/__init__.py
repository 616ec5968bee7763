"""`script/chaos`: the whole system under load, fault after fault, then every request accounted for."""
