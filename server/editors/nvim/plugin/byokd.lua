-- Defines :Byokd; everything else is loaded when it is used. See :help byokd.
local options = { nargs = '*', range = true, complete = "customlist,v:lua.require'byokd'.complete" }
vim.api.nvim_create_user_command('Byokd', function(call) require('byokd').run(call) end, options)
