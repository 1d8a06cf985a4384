-- :checkhealth byokd
local M, daemon = {}, require('byokd.daemon')

local function report()
  local vault = daemon.call('vault/status').vault
  vim.health.ok('byokd ' .. daemon.version .. ' answers')
  vim.health.info(('vault: %s, %s'):format(vault.state, vault.protection or vault.hint))
  for _, key in ipairs(daemon.list('key/list')) do
    vim.health.info(('key: %s, %s, %s'):format(key.provider, key.origin, key.state))
  end
  vim.health.info('model: ' .. (vim.g.BYOKD_MODEL or 'none; choose one with :Byokd model'))
end

function M.check()
  vim.health.start('byokd')
  local command, where = daemon.find()
  if not command then return vim.health.error(where) end
  vim.health.ok(('%s (from %s)'):format(table.concat(command, ' '), where))
  local ok, err = pcall(report)
  if not ok then vim.health.error(daemon.describe(err)) end
end

return M
