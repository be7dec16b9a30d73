-- The database and its two roles (docs/POSTGRESQL.md). The image of PostgreSQL runs this once, over an empty data folder.
\set ON_ERROR_STOP on
\set owner_password `cat /run/secrets/postgres_owner_password`
\set server_password `cat /run/secrets/postgres_server_password`
CREATE ROLE agentidp_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE agentidp LOGIN PASSWORD :'server_password';
CREATE DATABASE agentidp OWNER agentidp_owner;
REVOKE ALL ON DATABASE agentidp FROM PUBLIC;
GRANT CONNECT ON DATABASE agentidp TO agentidp;
\connect agentidp
SET ROLE agentidp_owner;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO agentidp;
