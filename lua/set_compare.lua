-- set_compare: how many members a set has, and how many of them another set or a list has too
-- KEYS[1] the set
-- KEYS[2..] the other set, if the other set is on the server
-- ARGV[1..] the members of the other set, if it is not on the server
-- returns {'ok', size, size of the other, common}
-- reads
-- empty {'ok', 0, #ARGV, 0}
local size, other = redis.call('SCARD', KEYS[1]), #ARGV
local common = 0
if KEYS[2] then
  other = redis.call('SCARD', KEYS[2])
  common = redis.pcall('SINTERCARD', 2, KEYS[1], KEYS[2])
  if type(common) == 'table' then common = #redis.call('SINTER', KEYS[1], KEYS[2]) end
else
  for from = 1, other, 7000 do
    for _, there in ipairs(redis.call('SMISMEMBER', KEYS[1], unpack(ARGV, from, math.min(from + 6999, other)))) do
      common = common + there
    end
  end
end
return {'ok', size, other, common}
