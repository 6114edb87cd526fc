UPDATE deployments SET decided_until = $2 WHERE flow = $1
