/* The part of FoundationDB's C API that its Go binding calls, declared so that the adapter can be
 * compiled, vetted and linked on a machine without the client library. It is no substitute for the
 * real header: see README.md. */
#ifndef STAMPEDE_FDB_STUB_H
#define STAMPEDE_FDB_STUB_H

#include <stdint.h>

typedef struct stub_future FDBFuture;
typedef struct stub_database FDBDatabase;
typedef struct stub_tenant FDBTenant;
typedef struct stub_transaction FDBTransaction;

typedef int fdb_error_t;
typedef int fdb_bool_t;

typedef int FDBNetworkOption;
typedef int FDBDatabaseOption;
typedef int FDBTransactionOption;
typedef int FDBMutationType;
typedef int FDBStreamingMode;
typedef int FDBConflictRangeType;

/* The library packs these two by four bytes; the binding counts on it. */
#pragma pack(push, 4)
typedef struct {
	const uint8_t *key;
	int key_length;
} FDBKey;
typedef struct {
	const uint8_t *key;
	int key_length;
	const uint8_t *value;
	int value_length;
} FDBKeyValue;
#pragma pack(pop)

typedef void (*FDBCallback)(FDBFuture *, void *);

#define FDB_STUB_FUNCTIONS                                                                          \
	X(fdb_error_t, fdb_setup_network, (void))                                                   \
	X(fdb_error_t, fdb_run_network, (void))                                                     \
	X(fdb_error_t, fdb_stop_network, (void))                                                    \
	X(fdb_error_t, fdb_network_set_option, (FDBNetworkOption, const uint8_t *, int))            \
	X(fdb_error_t, fdb_create_database, (const char *, FDBDatabase **))                         \
	X(fdb_error_t, fdb_create_database_from_connection_string, (const char *, FDBDatabase **))  \
	X(void, fdb_database_destroy, (FDBDatabase *))                                              \
	X(fdb_error_t, fdb_database_set_option, (FDBDatabase *, FDBDatabaseOption, const uint8_t *, int)) \
	X(fdb_error_t, fdb_database_open_tenant, (FDBDatabase *, const uint8_t *, int, FDBTenant **)) \
	X(fdb_error_t, fdb_database_create_transaction, (FDBDatabase *, FDBTransaction **))         \
	X(FDBFuture *, fdb_database_reboot_worker, (FDBDatabase *, const uint8_t *, int, fdb_bool_t, int)) \
	X(FDBFuture *, fdb_database_get_client_status, (FDBDatabase *))                             \
	X(fdb_error_t, fdb_tenant_create_transaction, (FDBTenant *, FDBTransaction **))             \
	X(void, fdb_tenant_destroy, (FDBTenant *))                                                  \
	X(void, fdb_future_destroy, (FDBFuture *))                                                  \
	X(void, fdb_future_cancel, (FDBFuture *))                                                   \
	X(void, fdb_future_release_memory, (FDBFuture *))                                           \
	X(fdb_bool_t, fdb_future_is_ready, (FDBFuture *))                                           \
	X(fdb_error_t, fdb_future_set_callback, (FDBFuture *, FDBCallback, void *))                 \
	X(fdb_error_t, fdb_future_get_error, (FDBFuture *))                                         \
	X(fdb_error_t, fdb_future_get_int64, (FDBFuture *, int64_t *))                              \
	X(fdb_error_t, fdb_future_get_key, (FDBFuture *, const uint8_t **, int *))                  \
	X(fdb_error_t, fdb_future_get_value, (FDBFuture *, fdb_bool_t *, const uint8_t **, int *))  \
	X(fdb_error_t, fdb_future_get_key_array, (FDBFuture *, const FDBKey **, int *))             \
	X(fdb_error_t, fdb_future_get_string_array, (FDBFuture *, const char ***, int *))           \
	X(fdb_error_t, fdb_future_get_keyvalue_array, (FDBFuture *, const FDBKeyValue **, int *, fdb_bool_t *)) \
	X(void, fdb_transaction_destroy, (FDBTransaction *))                                        \
	X(void, fdb_transaction_cancel, (FDBTransaction *))                                         \
	X(void, fdb_transaction_reset, (FDBTransaction *))                                          \
	X(fdb_error_t, fdb_transaction_set_option, (FDBTransaction *, FDBTransactionOption, const uint8_t *, int)) \
	X(void, fdb_transaction_set_read_version, (FDBTransaction *, int64_t))                      \
	X(FDBFuture *, fdb_transaction_get_read_version, (FDBTransaction *))                        \
	X(FDBFuture *, fdb_transaction_get, (FDBTransaction *, const uint8_t *, int, fdb_bool_t))   \
	X(FDBFuture *, fdb_transaction_get_key,                                                     \
	  (FDBTransaction *, const uint8_t *, int, fdb_bool_t, int, fdb_bool_t))                    \
	X(FDBFuture *, fdb_transaction_get_range,                                                   \
	  (FDBTransaction *, const uint8_t *, int, fdb_bool_t, int, const uint8_t *, int, fdb_bool_t, int, int, int, \
	   FDBStreamingMode, int, fdb_bool_t, fdb_bool_t))                                          \
	X(FDBFuture *, fdb_transaction_get_addresses_for_key, (FDBTransaction *, const uint8_t *, int)) \
	X(FDBFuture *, fdb_transaction_get_estimated_range_size_bytes,                              \
	  (FDBTransaction *, const uint8_t *, int, const uint8_t *, int))                           \
	X(FDBFuture *, fdb_transaction_get_range_split_points,                                      \
	  (FDBTransaction *, const uint8_t *, int, const uint8_t *, int, int64_t))                  \
	X(void, fdb_transaction_set, (FDBTransaction *, const uint8_t *, int, const uint8_t *, int)) \
	X(void, fdb_transaction_clear, (FDBTransaction *, const uint8_t *, int))                    \
	X(void, fdb_transaction_clear_range, (FDBTransaction *, const uint8_t *, int, const uint8_t *, int)) \
	X(void, fdb_transaction_atomic_op,                                                          \
	  (FDBTransaction *, const uint8_t *, int, const uint8_t *, int, FDBMutationType))          \
	X(fdb_error_t, fdb_transaction_add_conflict_range,                                          \
	  (FDBTransaction *, const uint8_t *, int, const uint8_t *, int, FDBConflictRangeType))     \
	X(FDBFuture *, fdb_transaction_watch, (FDBTransaction *, const uint8_t *, int))             \
	X(FDBFuture *, fdb_transaction_commit, (FDBTransaction *))                                  \
	X(FDBFuture *, fdb_transaction_on_error, (FDBTransaction *, fdb_error_t))                   \
	X(FDBFuture *, fdb_transaction_get_versionstamp, (FDBTransaction *))                        \
	X(FDBFuture *, fdb_transaction_get_approximate_size, (FDBTransaction *))                    \
	X(fdb_error_t, fdb_transaction_get_committed_version, (FDBTransaction *, int64_t *))

#define X(result, name, parameters) result name parameters;
FDB_STUB_FUNCTIONS
#undef X

/* These three have a behaviour: the binding calls them before any other. */
fdb_error_t fdb_select_api_version_impl(int, int);
int fdb_get_max_api_version(void);
const char *fdb_get_error(fdb_error_t);

#endif
