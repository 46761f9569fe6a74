-- Prosody: one external component (XEP-0114). The integration tests run on this very file.
--
-- Debian: save as /etc/prosody/conf.d/echo.cfg.lua. Elsewhere: append to prosody.cfg.lua, behind every VirtualHost.
-- Activate without a restart:
--   prosodyctl shell 'config:reload()'
--   prosodyctl shell 'host:activate("echo.example.org")'
-- Until then the component is told `host-unknown`. It connects to 127.0.0.1:5347; see listen.cfg.lua to change that.

Component "echo.example.org"
  component_secret = "change-me"
  -- What happens when a second connection for this domain arrives. By default Prosody refuses the new one with
  -- `conflict`; with "kick_old" the new one wins, which suits a standby process.
  -- component_conflict_resolve = "kick_old"
  -- With a name Prosody shows it in the host's disco#items and answers disco#info while the component is away.
  -- name = "Echo"
