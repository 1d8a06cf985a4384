-- Options and the command :Byokd. See :help byokd.
local M = { options = {
  command = nil, -- the daemon: a program, or a list of it and its arguments
  account = nil, -- the daemon's account, a namespace for keys
  system = nil, -- a system prompt for chats
  effort = nil, -- reasoning: none, minimal, low, medium, high, xhigh or max
  tools = {}, -- what a model may call, by name
} }

function M.setup(options) M.options = vim.tbl_extend('force', M.options, options or {}) end

local function commands()
  return vim.tbl_extend('error', require('byokd.keys').commands, require('byokd.chat').commands)
end

--- Run `:Byokd {command} {words}`; without a command, open a chat.
function M.run(call)
  local name = table.remove(call.fargs, 1) or 'chat'
  call.text, call.buf = table.concat(call.fargs, ' '), vim.api.nvim_get_current_buf()
  call.lines = table.concat(vim.fn.getline(call.line1, call.line2), '\n')
  local run = commands()[name] or function() error('there is no :Byokd ' .. name, 0) end
  require('byokd.daemon').try(run, call)
end

--- Complete commands, and the names of providers and models by any part of them.
function M.complete(lead, line)
  local command, names = line:match('Byokd%s+(%S+)%s'), vim.tbl_keys(commands())
  if command then names = require('byokd.daemon').try(require('byokd.keys').names, command) or {} end
  table.sort(names)
  return vim.tbl_filter(function(name) return name:find(lead, 1, true) end, names)
end

return M
