-- entry_store: store an entry that was computed under a lease, if the lease is still ours
-- KEYS[1] the entry
-- KEYS[2] its lease
-- ARGV[1] token
-- ARGV[2] the entry's bytes
-- ARGV[3] ttl in ms, 0 none
-- ARGV[4] channel of waiting callers
-- returns {'ok'} | {'refused'}
-- writes KEYS[1]
-- empty {'ok'}
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return {'refused'} end
-- With GET this is an error where the key holds no string: that is somebody else's.
if ARGV[3] == '0' then
  redis.call('SET', KEYS[1], ARGV[2], 'GET')
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3], 'GET')
end
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[4], '')
return {'ok'}
