# OpenBao for docker-compose.yml: one node, its data in a volume. It unseals itself with the key in a secret and sets
# itself up at its first start: a KV engine of version 2 at `secret`, and a role that may do there what AgentIdP does and
# nothing else. No root token is left. In a cluster of your own, let a KMS unseal it.
ui = false
api_addr = "https://vault:8200"
cluster_addr = "https://vault:8201"

storage "raft" {
  path    = "/openbao/file"
  node_id = "vault"
}

listener "tcp" {
  address       = "0.0.0.0:8200"
  tls_cert_file = "/run/secrets/vault_certificate.pem"
  tls_key_file  = "/run/secrets/vault_key.pem"
}

seal "static" {
  current_key_id = "1"
  current_key    = "file:///run/secrets/vault_seal_key"
}

initialize "agentidp" {
  request "mount" {
    operation = "update"
    path      = "sys/mounts/secret"
    data      = { type = "kv", options = { version = "2" } }
  }
  request "policy" {
    operation = "update"
    path      = "sys/policies/acl/agentidp"
    data = {
      policy = { eval_type = "string", eval_source = "file", path = "/openbao/config/agentidp-policy.hcl" }
    }
  }
  request "approle" {
    operation = "update"
    path      = "sys/auth/approle"
    data      = { type = "approle" }
  }
  request "role" {
    operation = "update"
    path      = "auth/approle/role/agentidp"
    data      = { token_policies = ["agentidp"], token_ttl = "1h", token_max_ttl = "24h" }
  }
  request "role-id" {
    operation = "update"
    path      = "auth/approle/role/agentidp/role-id"
    data      = { role_id = "agentidp" }
  }
  request "secret-id" {
    operation = "update"
    path      = "auth/approle/role/agentidp/custom-secret-id"
    data = {
      secret_id = { eval_type = "string", eval_source = "file", path = "/run/secrets/vault_secret_id" }
    }
  }
}
