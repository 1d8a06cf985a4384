-- Options and the command :Byokd. See :help byokd.
local M = {
  options = {
    command = nil, -- the daemon: a program, or a list of a program and its arguments
    account = nil, -- the daemon's account
    system = nil, -- a system prompt for chats
    effort = nil, -- reasoning: none, minimal, low, medium, high, xhigh or max
    tools = {}, -- what a model may call
  },
}
local COMPLETION_MS = 10000 -- a daemon may have to start first

function M.setup(options) M.options = vim.tbl_extend('force', M.options, options or {}) end

local COMMANDS = {
  chat = function(call) require('byokd.chat').open(call) end,
  key = function(call) require('byokd.keys').add(call.fargs[1], call.fargs[2]) end,
  keys = function() require('byokd.keys').manage() end,
  model = function(call) require('byokd.keys').choose(call.fargs[1]) end,
  insert = function(call) require('byokd.chat').edit(call, false) end,
  replace = function(call) require('byokd.chat').edit(call, true) end,
  stop = function(call) require('byokd.chat').stop(call.buf) end,
}

--- Run `:Byokd {command} {words}`; without a command, open a chat.
function M.run(call)
  local name = table.remove(call.fargs, 1) or 'chat'
  if not COMMANDS[name] then return vim.notify('byokd: there is no :Byokd ' .. name, vim.log.levels.ERROR) end
  call.text, call.buf = table.concat(call.fargs, ' '), vim.api.nvim_get_current_buf()
  require('byokd.rpc').go(function() COMMANDS[name](call) end)
end

local function names(command)
  local keys = require('byokd.keys')
  if command == 'key' then return vim.tbl_map(function(provider) return provider.id end, keys.providers()) end
  return command == 'model' and vim.tbl_map(keys.name, keys.models()) or {}
end

--- Complete commands, and the names of providers and models by any part of them.
function M.complete(lead, line)
  local command = line:match('Byokd%s+(%S+)%s')
  local all = command and require('byokd.rpc').wait(COMPLETION_MS, function() return names(command) end)
    or not command and vim.tbl_keys(COMMANDS)
  local fitting = vim.tbl_filter(function(name) return name:find(lead, 1, true) end, all or {})
  table.sort(fitting)
  return fitting
end

return M
