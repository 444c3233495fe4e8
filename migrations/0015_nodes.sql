-- Processes that are up (DESIGN §5): who may own partitions, and who is shown to operators. By the database's clock.
CREATE TABLE gc_channel.nodes (
    node       uuid PRIMARY KEY,
    roles      text[] NOT NULL,
    version    text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    -- It gives its partitions away and gets no new ones.
    draining   boolean NOT NULL DEFAULT false
);
