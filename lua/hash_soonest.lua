-- hash_soonest: when the first field of a hash expires by itself
-- KEYS[1] the hash
-- returns {'ok', ms, -1 none}
-- reads
-- empty {'ok', -1}
local soonest = -1
local fields = redis.call('HKEYS', KEYS[1])
for from = 1, #fields, 7000 do
  local some = {unpack(fields, from, math.min(from + 6999, #fields))}
  for _, ms in ipairs(redis.call('HPTTL', KEYS[1], 'FIELDS', #some, unpack(some))) do
    if ms >= 0 and (soonest < 0 or ms < soonest) then soonest = ms end
  end
end
return {'ok', soonest}
