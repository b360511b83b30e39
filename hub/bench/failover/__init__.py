"""What a failover costs: three machines with PostgreSQL, Patroni and etcd as processes here, whose primary is taken away under traffic."""
