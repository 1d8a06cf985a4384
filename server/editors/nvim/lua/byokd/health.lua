-- :checkhealth byokd
local M, daemon = {}, require('byokd.daemon')
local function field(_, name) return vim.health[name] or vim.health['report_' .. name] end -- 0.9 has the latter
local health = setmetatable({}, { __index = field })

local function report()
  local vault = daemon.call('vault/status').vault
  health.ok(('vault: %s, %s'):format(vault.state, vault.protection or vault.hint))
  for _, key in ipairs(daemon.list('key/list')) do
    health.info(('key: %s, %s, %s'):format(key.provider, key.origin, key.state))
  end
  health.info('model: ' .. (vim.g.BYOKD_MODEL or 'none; choose one with :Byokd model'))
end

function M.check()
  health.start('byokd')
  local command, problem = daemon.find()
  if not command then return health.error(problem) end
  health.ok(table.concat(command, ' '))
  local ok, err = pcall(report)
  if not ok then health.error(daemon.describe(err)) end
end

return M
