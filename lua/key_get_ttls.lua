-- key_get_ttls: several values, each followed by the ms that it stays, -2 where there is no value
-- KEYS[1..] the keys
-- returns {'ok', values}
-- reads
-- empty {'ok', ('', -2) for each key}
local out = {'ok'}
for _, key in ipairs(KEYS) do
  local value = redis.call('GET', key)
  out[#out + 1] = value or ''
  out[#out + 1] = value and redis.call('PTTL', key) or -2
end
return out
