-- The text of a staged script is its script (or the guarded form of it) as a function, this file, and a call of
-- staged(). Some of its KEYS are copies of wide keys of other slots. The last of the ARGV says which: how members are
-- counted, the number of the key, and how many members it has at least, as in 'SCARD4:100000 SCARD5:7000'.

-- staged(op): run the script if all copies are whole, and remove them.
local function staged(op)
  local spec, copies, lost = ARGV[#ARGV], {}, false
  ARGV[#ARGV] = nil
  for count, index, size in string.gmatch(spec, '(%u+)(%d+):(%d+)') do
    local copy = KEYS[tonumber(index)]
    copies[#copies + 1] = copy
    lost = lost or redis.call(count, copy) < tonumber(size)
  end
  local reply = lost and {'lost'} or op()
  redis.call('UNLINK', unpack(copies))
  return reply
end
