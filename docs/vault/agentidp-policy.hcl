# What AgentIdP may do in Vault or OpenBao, and nothing else. `secret` is the mount of VAULT_MOUNT.
# A test proves that this is enough, and that each capability is needed.

# Write a version of a credential's secret, and read it. The metadata is there before the first one: it is an update.
path "secret/data/agentidp/agents/+/credentials/+" {
  capabilities = ["update", "read"]
}

# Learn which versions there are, and have enough of them kept.
path "secret/metadata/agentidp/agents/+/credentials/+" {
  capabilities = ["create", "update", "read"]
}

# Destroy the data of versions for good: revocations, and writes that were interrupted.
path "secret/destroy/agentidp/agents/+/credentials/+" {
  capabilities = ["update"]
}

# Keep the token alive.
path "auth/token/renew-self" {
  capabilities = ["update"]
}

# Learn how long a token lives that was given as VAULT_TOKEN. Not needed with AppRole.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
