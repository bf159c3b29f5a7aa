-- key_expire: set how long a key stays
-- KEYS[1] the key
-- ARGV[1] ms from now, 0 for ever
-- returns {'ok'} | {'missing'}
-- writes KEYS[1]
-- empty {'missing'}
if redis.call('EXISTS', KEYS[1]) == 0 then return {'missing'} end
if ARGV[1] == '0' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return {'ok'}
