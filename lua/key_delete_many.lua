-- key_delete_many: remove keys, with their guards and leases
-- KEYS[1..] the keys, then their guards and leases
-- ARGV[1] how many of KEYS are the keys
-- returns {'ok', removed}
-- writes KEYS[1..]
-- empty {'ok', 0}
local count = tonumber(ARGV[1])
local removed = 0
for from = 1, #KEYS, 7000 do
  local upto = math.min(from + 6999, #KEYS)
  if from <= count then
    removed = removed + redis.call('UNLINK', unpack(KEYS, from, math.min(upto, count)))
  end
  if upto > count then redis.call('UNLINK', unpack(KEYS, math.max(from, count + 1), upto)) end
end
return {'ok', removed}
