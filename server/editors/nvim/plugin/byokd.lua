-- Defines :Byokd; everything else is loaded when it is used. See :help byokd.
if vim.g.loaded_byokd then return end
vim.g.loaded_byokd = true

vim.api.nvim_create_user_command('Byokd', function(call) require('byokd').run(call) end, {
  nargs = '*',
  range = true,
  complete = function(...) return require('byokd').complete(...) end,
})
