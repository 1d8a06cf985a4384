-- The settings of the Neovim under test.
vim.opt.runtimepath:prepend(vim.env.BYOKD_PLUGIN)
vim.opt.shortmess:append('I')
vim.lsp.set_log_level('debug') -- the log must not have a key even so
require('byokd').setup({
  command = vim.json.decode(vim.env.BYOKD_COMMAND),
  effort = 'low',
  tools = {
    weather = {
      description = 'The weather in a city',
      inputSchema = { type = 'object', properties = { city = { type = 'string' } }, required = { 'city' } },
      run = function(arguments) return '4 degrees and rain in ' .. arguments.city end,
    },
  },
})
