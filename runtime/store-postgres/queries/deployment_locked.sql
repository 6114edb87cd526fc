SELECT decided_until FROM deployments WHERE flow = $1 FOR UPDATE
