// u of a cell at rest after one step of the step map in a file; NaN if that fails.

#ifdef __cplusplus
extern "C"
#endif
double u_after_one_step(const char *path, double stimulus);
