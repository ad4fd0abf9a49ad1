/**
 * Functions of PostgreSQL's own catalog that neither change anything nor read what the statement does not name: those that the server marks
 * stable or immutable, and harmless volatile ones. What stands in no list here is `unknown-function`.
 */
const HARMLESS: ReadonlySet<string> = new Set(
  `
  abbrev abs acldefault aclexplode acos acosd acosh age any_value area array_agg array_dims array_fill array_length array_lower
  array_ndims array_position array_positions array_remove array_replace array_sample array_shuffle array_to_json array_to_string
  array_to_tsvector array_upper ascii asin asind asinh atan atan2 atan2d atand atanh avg bit_and bit_count bit_length bit_or bit_xor
  bool bool_and bool_or box bpchar broadcast btrim bytea cardinality cash_words cbrt ceil ceiling center char_length
  character_length chr cidr circle clock_timestamp coalesce col_description concat concat_ws convert convert_from convert_to corr
  cos cosd cosh cot cotd count covar_pop covar_samp cume_dist current_database current_schema current_schemas current_setting
  current_user currval date date_add date_bin date_part date_subtract date_trunc datemultirange daterange daterange_canonical
  daterange_subdiff decode degrees dense_rank dexp diagonal diameter div dlog1 dlog10 dround dtrunc encode enum_first enum_last
  enum_range erf erfc every exp extract factorial family first_value float4 float8 floor format format_type gcd gen_random_uuid
  generate_series generate_subscripts get_bit get_byte get_current_ts_config getdatabaseencoding getpgusername greatest grouping
  gtsquery_consistent gtsvector_consistent has_column_privilege has_database_privilege has_foreign_data_wrapper_privilege
  has_function_privilege has_language_privilege has_parameter_privilege has_schema_privilege has_sequence_privilege
  has_server_privilege has_table_privilege has_tablespace_privilege has_type_privilege height host hostmask inet initcap int2 int4
  int4inc int4multirange int4range int4range_canonical int4range_subdiff int8 int8multirange int8range int8range_canonical
  int8range_subdiff interval is_normalized isclosed isempty isfinite ishorizontal isopen isparallel isperp isvertical json json_agg
  json_array_elements json_array_elements_text json_array_length json_build_array json_build_object json_each json_each_text
  json_object json_object_agg json_object_keys json_populate_record json_populate_recordset json_scalar json_serialize
  json_strip_nulls json_to_record json_to_recordset json_to_tsvector json_typeof jsonb jsonb_agg jsonb_array_elements
  jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_insert
  jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz
  jsonb_path_query jsonb_path_query_array jsonb_path_query_array_tz jsonb_path_query_first jsonb_path_query_first_tz
  jsonb_path_query_tz jsonb_populate_record jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls
  jsonb_to_record jsonb_to_recordset jsonb_to_tsvector jsonb_typeof justify_days justify_hours justify_interval lag last_value
  lastval lcm lead least left length like line ln log log10 lower lower_inc lower_inf lpad lseg ltrim macaddr8_set7bit make_date
  make_interval make_time make_timestamp make_timestamptz makeaclitem masklen max md5 min min_scale mod mode multirange mxid_age
  name nameconcatoid netmask network normalize notlike now npoints nth_value ntile nullif num_nonnulls num_nulls numeric
  nummultirange numnode numrange numrange_subdiff obj_description octet_length oid oidvectortypes overlaps overlay parse_ident
  pclose percent_rank percentile_cont percentile_disc pg_available_extension_versions pg_available_extensions pg_backend_pid
  pg_blocking_pids pg_char_to_encoding pg_client_encoding pg_collation_actual_version pg_collation_for pg_collation_is_visible
  pg_column_compression pg_column_is_updatable pg_column_size pg_conversion_is_visible pg_current_snapshot pg_current_xact_id
  pg_current_xact_id_if_assigned pg_cursor pg_database_size pg_describe_object pg_encoding_max_length pg_encoding_to_char
  pg_extension_update_paths pg_filenode_relation pg_function_is_visible pg_get_catalog_foreign_keys pg_get_constraintdef pg_get_expr
  pg_get_function_arg_default pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result
  pg_get_function_sqlbody pg_get_functiondef pg_get_indexdef pg_get_keywords pg_get_object_address pg_get_partition_constraintdef
  pg_get_partkeydef pg_get_publication_tables pg_get_replica_identity_index pg_get_ruledef pg_get_serial_sequence
  pg_get_statisticsobjdef pg_get_statisticsobjdef_columns pg_get_statisticsobjdef_expressions pg_get_triggerdef pg_get_userbyid
  pg_get_viewdef pg_has_role pg_identify_object pg_identify_object_as_address pg_index_column_has_property pg_index_has_property
  pg_indexam_has_property pg_indexam_progress_phasename pg_indexes_size pg_is_in_recovery pg_is_other_temp_schema pg_jit_available
  pg_last_wal_replay_lsn pg_listening_channels pg_lock_status pg_mcv_list_items pg_my_temp_schema pg_opclass_is_visible
  pg_operator_is_visible pg_opfamily_is_visible pg_options_to_table pg_partition_ancestors pg_partition_root pg_partition_tree
  pg_postmaster_start_time pg_prepared_statement pg_relation_filenode pg_relation_filepath pg_relation_is_publishable
  pg_relation_is_updatable pg_relation_size pg_replication_origin_oid pg_safe_snapshot_blocking_pids pg_sequence_parameters
  pg_settings_get_flags pg_show_all_settings pg_size_bytes pg_size_pretty pg_sleep pg_sleep_for pg_sleep_until pg_snapshot_xip
  pg_snapshot_xmax pg_snapshot_xmin pg_stat_get_activity pg_statistics_obj_is_visible pg_table_is_visible pg_table_size
  pg_tablespace_databases pg_tablespace_location pg_tablespace_size pg_timezone_abbrevs pg_timezone_names pg_total_relation_size
  pg_trigger_depth pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible
  pg_type_is_visible pg_typeof pg_visible_in_snapshot pg_wal_lsn_diff pg_walfile_name pg_walfile_name_offset pg_xact_status
  phraseto_tsquery pi plainto_tsquery point polygon popen position pow power querytree quote_ident quote_literal quote_nullable
  radians radius random random_normal rank regclass regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace
  regexp_split_to_array regexp_split_to_table regexp_substr regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope
  regr_sxx regr_sxy regr_syy repeat replace reverse right round row_number row_security_active row_to_json rpad rtrim
  satisfies_hash_partition scale session_user set_bit set_byte set_masklen setseed setweight sha224 sha256 sha384 sha512
  shobj_description sign similar_escape similar_to_escape sin sind sinh slope split_part sqrt statement_timestamp stddev stddev_pop
  stddev_samp string_agg string_to_array string_to_table strip strpos substr substring sum tan tand tanh text textlen time timeofday
  timestamp timestamptz timetz timezone to_ascii to_char to_date to_hex to_json to_jsonb to_number to_regclass to_regcollation
  to_regnamespace to_regoper to_regoperator to_regproc to_regprocedure to_regrole to_regtype to_timestamp to_tsquery to_tsvector
  transaction_timestamp translate trim_array trim_scale trunc ts_debug ts_delete ts_filter ts_headline ts_lexize ts_parse ts_rank
  ts_rank_cd ts_token_type tsmultirange tsquery_phrase tsrange tsrange_subdiff tstzmultirange tstzrange tstzrange_subdiff
  tsvector_to_array txid_current txid_current_if_assigned txid_current_snapshot txid_snapshot_xip txid_snapshot_xmax
  txid_snapshot_xmin txid_status txid_visible_in_snapshot unistr unnest upper upper_inc upper_inf uuid uuidv4 uuidv7 var_pop
  var_samp varchar variance version websearch_to_tsquery width width_bucket xml_is_well_formed xml_is_well_formed_content
  xml_is_well_formed_document xmlagg xmlcomment xmlconcat xmlelement xmlexists xmlforest xmlparse xmlvalidate xpath xpath_exists
  `
    .trim()
    .split(/\s+/),
);

/** What a call does beside giving a value; `keeps`: it leaves something in the session that later statements rely on. */
export interface FunctionReading {
  readonly tags: readonly string[];
  readonly keeps: boolean;
  /** The right on a sequence named by its first argument. */
  readonly sequence: 'USAGE' | 'UPDATE' | null;
}

const READINGS: readonly (readonly [RegExp, readonly string[]])[] = [
  // The server's files, programs and other servers.
  [
    /^(?:lo_export|lo_import|pg_read_file|pg_read_binary_file|pg_read_file_old|pg_ls_\w+|pg_stat_file|pg_file_\w+|pg_logdir_ls|dblink\w*|pg_current_logfile|pg_hba_file_rules|pg_ident_file_mappings|pg_show_all_file_settings|http_\w+)$/,
    ['from-database'],
  ],
  [
    /^(?:pg_reload_conf|pg_rotate_logfile\w*|pg_promote|pg_switch_wal|pg_create_restore_point|pg_\w*replication_\w+|pg_wal_replay_\w+|pg_logical_\w+|pg_backup_\w+|pg_import_system_collations|pg_log_backend\w*|binary_upgrade_\w+)$/,
    ['server-takeover'],
  ],
  [/^(?:pg_terminate_backend|pg_cancel_backend|pg_stat_reset\w*)$/, ['disruptive']],
  // They run SQL that stands in a text, or read tables that no name in the statement tells of.
  [
    /^(?:(?:query|cursor|table|schema|database)_to_xml\w*|ts_stat|ts_rewrite|current_query)$/,
    ['unknown-code'],
  ],
  [/^(?:lo_\w+|loread|lowrite)$/, ['large-object']],
  // What it sets is read from its first argument (gathering.ts).
  [/^set_config$/, []],
  [/^pg_notify$/, ['notify']],
];

const KEEPS = /^(?:set_config|nextval|setval|pg_export_snapshot|pg_(?:try_)?advisory_\w+|lo_open)$/;
const LOCKS = /^pg_(?:try_)?advisory_\w+$/;

/** Reads one call by its name; `schema` as written, null when not said. A name outside pg_catalog may be anything. */
export function readFunction(schema: string | null, name: string): FunctionReading {
  const own = schema === null || schema === 'pg_catalog' || schema === 'information_schema';
  const found = READINGS.find(([pattern]) => pattern.test(name))?.[1];
  const keeps = own && KEEPS.test(name);
  const sequence = name === 'nextval' ? 'USAGE' : name === 'setval' ? 'UPDATE' : null;
  if (found !== undefined) return { tags: found, keeps, sequence: null };
  if (own && sequence !== null) return { tags: ['sequence'], keeps, sequence };
  if (own && (HARMLESS.has(name) || LOCKS.test(name))) return { tags: [], keeps, sequence: null };
  return { tags: ['unknown-function'], keeps: true, sequence: null };
}
