-- :checkhealth byokd
local rpc = require('byokd.rpc')
local M = {}
local WAIT_MS = 20000

local function check(health)
  local keys, info = require('byokd.keys'), rpc.info()
  health.ok('byokd ' .. info.serverInfo.version .. ' answers')
  local vault = assert(rpc.call('vault/status')).vault
  local report = vault.state == 'unlocked' and health.ok or health.warn
  report(('vault: %s, %s'):format(vault.state, vault.protection or vault.hint or 'the first key creates it'))
  for _, key in ipairs(keys.list('key/list')) do
    (key.state == 'active' and health.ok or health.warn)(('key: %s, %s, %s'):format(key.provider, key.origin, key.state))
  end
  local model = keys.chosen()
  health.info('model: ' .. (model and keys.name(model) or 'none; choose one with :Byokd model'))
  return true
end

function M.check()
  local health = setmetatable({}, { __index = function(_, name) return vim.health[name] or vim.health['report_' .. name] end })
  health.start('byokd')
  local command, where = rpc.find()
  if not command then return health.error(where) end
  health.ok(table.concat(command, ' ') .. ' (from ' .. where .. ')')
  if not rpc.wait(WAIT_MS, function() return check(health) end) then health.error('the daemon does not answer; see :messages') end
end

return M
