-- key_set: store a value whose ttl counts from when the key was made
-- KEYS[1] the value's key
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] the encoded value
-- returns {'ok'}
if ARGV[1] == '0' or redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[1])
end
return {'ok'}
